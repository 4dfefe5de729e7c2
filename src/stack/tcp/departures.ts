// What was known of delivery when each segment last left (delivery rate estimation, draft-ietf-ccwg-bbr 4.1.2.1.2, after
// draft-cheng-iccrg-delivery-rate-estimation): columns beside those of the scoreboard, under the same slots. `delivery.ts` writes
// and reads them.

export class Departures {
  /** P.delivered and P.lost, in bytes. */
  readonly delivered: Float64Array;
  readonly lost: Float64Array;
  /** P.delivered_time and P.first_send_time. */
  readonly deliveredAt: Float64Array;
  readonly firstSentAt: Float64Array;
  /** P.tx_in_flight: bytes in flight, this segment included. */
  readonly inFlight: Int32Array;
  /** P.is_app_limited */
  readonly appLimited: Uint8Array;

  constructor(slots: number) {
    this.delivered = new Float64Array(slots);
    this.lost = new Float64Array(slots);
    this.deliveredAt = new Float64Array(slots);
    this.firstSentAt = new Float64Array(slots);
    this.inFlight = new Int32Array(slots);
    this.appLimited = new Uint8Array(slots);
  }

  /** Takes over what `from` knows of one of its slots. */
  copy(from: Departures, source: number, target: number): void {
    this.delivered[target] = from.delivered[source];
    this.lost[target] = from.lost[source];
    this.deliveredAt[target] = from.deliveredAt[source];
    this.firstSentAt[target] = from.firstSentAt[source];
    this.inFlight[target] = from.inFlight[source];
    this.appLimited[target] = from.appLimited[source];
  }
}
