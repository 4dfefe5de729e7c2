// An assembler for eBPF: instructions with symbolic labels to the bytes that BPF_PROG_LOAD takes. It knows
// nothing of any program; nic/xdp-program.ts is written in it. Encoding: RFC 9669 (BPF Instruction Set
// Architecture).

/** Registers: r0 result, r1 to r5 arguments (lost in calls), r6 to r9 kept, r10 frame pointer. */
export type Register = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;

/** Width of a load or store in bits. */
export type Width = 8 | 16 | 32 | 64;

/** Comparisons of conditional jumps; the unsigned ones. */
export type Comparison = '==' | '!=' | '>' | '>=' | '<' | '<=' | '&';

/** Arithmetic of 64 bits. */
export type Arithmetic = '+' | '-' | '*' | '/' | '|' | '&' | '<<' | '>>' | '%' | '^' | '=';

const SIZE: Record<Width, number> = { 32: 0x00, 16: 0x08, 8: 0x10, 64: 0x18 };
const JUMP: Record<Comparison, number> = {
  '==': 0x10,
  '>': 0x20,
  '>=': 0x30,
  '&': 0x40,
  '!=': 0x50,
  '<': 0xa0,
  '<=': 0xb0,
};
const ALU: Record<Arithmetic, number> = {
  '+': 0x00,
  '-': 0x10,
  '*': 0x20,
  '/': 0x30,
  '|': 0x40,
  '&': 0x50,
  '<<': 0x60,
  '>>': 0x70,
  '%': 0x90,
  '^': 0xa0,
  '=': 0xb0,
};

const CLASS_LD = 0x00;
const CLASS_LDX = 0x01;
const CLASS_ST = 0x02;
const CLASS_STX = 0x03;
const CLASS_JMP = 0x05;
const CLASS_JMP32 = 0x06;
const CLASS_ALU64 = 0x07;
const MODE_IMM = 0x00;
const MODE_MEM = 0x60;
const MODE_ATOMIC = 0xc0;
const SOURCE_REGISTER = 0x08;
const OP_CALL = 0x80;
const OP_EXIT = 0x90;
const PSEUDO_MAP_FD = 1;

/** Bytes of one instruction. */
export const INSTRUCTION_LENGTH = 8;

/** Builds one program. Methods append an instruction each and return the assembler. */
export class Assembler {
  readonly #code: Buffer[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps: { at: number; label: string }[] = [];

  /** Names the place of the next instruction. */
  label(name: string): this {
    if (this.#labels.has(name)) throw new Error(`label ${name} twice`);
    this.#labels.set(name, this.#code.length);
    return this;
  }

  /** dst = dst OP operand (an immediate), 64 bits wide; `=` moves. */
  alu(dst: Register, operation: Arithmetic, immediate: number): this {
    return this.#emit(CLASS_ALU64 | ALU[operation], dst, 0, 0, immediate);
  }

  /** dst = dst OP src, 64 bits wide; `=` moves. */
  aluRegister(dst: Register, operation: Arithmetic, src: Register): this {
    return this.#emit(CLASS_ALU64 | SOURCE_REGISTER | ALU[operation], dst, src, 0, 0);
  }

  /** dst = the `width` bits at src + offset, zero-extended. */
  load(width: Width, dst: Register, src: Register, offset: number): this {
    return this.#emit(CLASS_LDX | MODE_MEM | SIZE[width], dst, src, offset, 0);
  }

  /** The `width` bits at dst + offset = src. */
  store(width: Width, dst: Register, offset: number, src: Register): this {
    return this.#emit(CLASS_STX | MODE_MEM | SIZE[width], dst, src, offset, 0);
  }

  /** The `width` bits at dst + offset = an immediate. */
  storeImmediate(width: Width, dst: Register, offset: number, immediate: number): this {
    return this.#emit(CLASS_ST | MODE_MEM | SIZE[width], dst, 0, offset, immediate);
  }

  /** The `width` (32 or 64) bits at dst + offset += src, atomically. */
  atomicAdd(width: 32 | 64, dst: Register, offset: number, src: Register): this {
    return this.#emit(CLASS_STX | MODE_ATOMIC | SIZE[width], dst, src, offset, 0);
  }

  /** Jumps when the low 32 bits of dst compare so with an immediate. */
  jump32(dst: Register, comparison: Comparison, immediate: number, label: string): this {
    this.#jumps.push({ at: this.#code.length, label });
    return this.#emit(CLASS_JMP32 | JUMP[comparison], dst, 0, 0, immediate);
  }

  /** Jumps when dst compares so with an immediate (sign-extended), 64 bits wide. */
  jump(dst: Register, comparison: Comparison, immediate: number, label: string): this {
    this.#jumps.push({ at: this.#code.length, label });
    return this.#emit(CLASS_JMP | JUMP[comparison], dst, 0, 0, immediate);
  }

  /** Jumps when dst compares so with src, 64 bits wide. */
  jumpRegister(dst: Register, comparison: Comparison, src: Register, label: string): this {
    this.#jumps.push({ at: this.#code.length, label });
    return this.#emit(CLASS_JMP | SOURCE_REGISTER | JUMP[comparison], dst, src, 0, 0);
  }

  /** Jumps. */
  goto(label: string): this {
    this.#jumps.push({ at: this.#code.length, label });
    return this.#emit(CLASS_JMP, 0, 0, 0, 0);
  }

  /** Calls a helper function of the kernel by its number. */
  call(helper: number): this {
    return this.#emit(CLASS_JMP | OP_CALL, 0, 0, 0, helper);
  }

  /** dst = the map behind a descriptor; takes two instruction slots. */
  loadMap(dst: Register, fd: number): this {
    this.#emit(CLASS_LD | MODE_IMM | SIZE[64], dst, PSEUDO_MAP_FD as Register, 0, fd);
    return this.#emit(0, 0, 0, 0, 0);
  }

  /** Returns r0. */
  exit(): this {
    return this.#emit(CLASS_JMP | OP_EXIT, 0, 0, 0, 0);
  }

  /** Resolves the labels and gives the bytes of the program. */
  assemble(): Buffer {
    const bytes = Buffer.concat(this.#code);
    for (const { at, label } of this.#jumps) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new Error(`no label ${label}`);
      bytes.writeInt16LE(target - at - 1, at * INSTRUCTION_LENGTH + 2);
    }
    return bytes;
  }

  #emit(opcode: number, dst: Register, src: Register, offset: number, immediate: number): this {
    const bytes = Buffer.alloc(INSTRUCTION_LENGTH);
    bytes[0] = opcode;
    bytes[1] = dst | (src << 4);
    bytes.writeInt16LE(offset, 2);
    bytes.writeInt32LE(immediate | 0, 4);
    this.#code.push(bytes);
    return this;
  }
}
