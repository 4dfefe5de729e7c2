// The parser of requests against a grammar of regular expressions, over heads that are nearly right.

import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { HttpInput } from '../../src/cli/servers/http-input.js';
import { findHeadEnd, MAX_REQUEST_LINE, parseRequest } from '../../src/cli/servers/http-request.js';

const SEED = 0x477;
const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([\\x21-\\x7e]+) HTTP/(\\d)\\.(\\d)$`);
const FIELD = new RegExp(`^(${TOKEN}):[ \\t]*(.*?)[ \\t]*$`);

/** What is to be answered to a head, or what it asks for. */
function model(head: string): unknown {
  const lines = head.split(/\r?\n/);
  const first = REQUEST_LINE.exec(lines[0]);
  if (lines[0].length > MAX_REQUEST_LINE) return { status: 414 };
  if (first === null) return { status: 400 };
  if (first[3] !== '1') return { status: 505 };
  const values: Record<string, string[]> & { host?: string[]; connection?: string[] } = {};
  for (const line of lines.slice(1, lines.indexOf('', 1))) {
    const field = FIELD.exec(line);
    if (field === null) return { status: 400 };
    const name = field[1].toLowerCase();
    const seen = Object.hasOwn(values, name) ? values[name] : [];
    values[name] = [...seen, field[2]];
    if (name === 'content-length' && (!/^\d{1,15}$/.test(field[2]) || values[name][0] !== field[2]))
      return { status: 400 };
    if (name === 'transfer-encoding' && (seen.length > 0 || field[2].toLowerCase() !== 'chunked'))
      return { status: 501 };
  }
  const isOld = first[4] === '0';
  const hosts = values.host?.length ?? 0;
  const [length] = values['content-length'] ?? [];
  const isChunked = values['transfer-encoding'] !== undefined;
  if (hosts > 1 || (hosts === 0 && !isOld) || (isChunked && length !== undefined)) return { status: 400 };
  const options = (values.connection ?? []).flatMap((value) =>
    value.split(',').map((option) => option.trim().toLowerCase()),
  );
  return {
    method: first[1],
    target: first[2],
    minor: isOld ? 0 : 1,
    keepAlive: isOld ? options.includes('keep-alive') : !options.includes('close'),
    bodyLength: isChunked ? -1 : Number(length ?? 0),
  };
}

const line = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n');
const first = fc.oneof(
  fc.constantFrom(
    'GET / HTTP/1.1',
    'GET /x HTTP/1.0',
    'POST /a?b HTTP/1.1',
    'GET / HTTP/2.0',
    'GET / HTTP/1.1 ',
  ),
  fc.constantFrom(
    'GET  / HTTP/1.1',
    'GET / http/1.1',
    ' GET / HTTP/1.1',
    'GET /\x7f HTTP/1.1',
    'G(T / HTTP/1.1',
  ),
  fc.constantFrom('GET / HTTP/1.\r1', '', `GET /${'x'.repeat(MAX_REQUEST_LINE)} HTTP/1.1`),
);
const field = fc.oneof(
  fc.constantFrom(
    'Host: a',
    'HOST:\ta ',
    'Hos: a',
    'host : a',
    'Connection: close',
    'connection: Keep-Alive, x',
  ),
  fc.constantFrom(
    'Content-Length: 5',
    'Content-Length: 6',
    'content-length: -1',
    'content-length:',
    'Content_Length: 5',
  ),
  fc.constantFrom('Transfer-Encoding: chunked', 'transfer-encoding: CHUNKED', 'Transfer-Encoding: gzip'),
  fc.constantFrom(' folded', 'no colon', ': none', 'X: a\rb', 'X: a\r', 'X-\xe9: a', 'Accept: \xe9\0', 'X:'),
);

t.test('a head is read as the grammar says', async () => {
  fc.assert(
    fc.property(
      first,
      line,
      fc.array(fc.tuple(field, line), { maxLength: 5 }),
      line,
      (start, end, fields, last) => {
        const head = `${start}${end}${fields.map((parts) => parts.join('')).join('')}${last}`;
        const bytes = Buffer.from(`\n${head}GET`, 'latin1');
        const headEnd = findHeadEnd(bytes, 1, bytes.length);
        if (headEnd !== bytes.length - 3) return start === '' && headEnd < bytes.length;
        return isDeepStrictEqual(parseRequest(bytes, 1, headEnd), model(head));
      },
    ),
    { seed: SEED, numRuns: 3000 },
  );
});

t.test('the end of a head is found at the same place however it is cut', async () => {
  const text = fc.array(
    fc.constantFrom('\n', '\r\n', '\r', 'x', 'GET / HTTP/1.1\r\n', 'Host: a\r\n', '\r\n\r\n'),
    {
      maxLength: 30,
    },
  );
  const cuts = fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.boolean()), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(text, cuts, (parts, pieces) => {
      const bytes = Buffer.from(parts.join(''));
      const shared = Buffer.alloc(64);
      const input = new HttpInput(shared);
      const found: string[] = [];
      const wanted: string[] = [];
      let at = 0;
      for (let i = 0; at < bytes.length; i++) {
        const [size, isLate] = pieces[i % pieces.length];
        const count = Math.min(size, bytes.length - at);
        input.keep();
        bytes.copy(shared, 0, at, at + count);
        input.add(count);
        at += count;
        // More may come before anybody looks.
        if (isLate && at < bytes.length) continue;
        for (;;) {
          input.skipEmptyLines();
          const headEnd = input.headEnd();
          if (headEnd < 0) break;
          found.push(input.bytes.toString('latin1', input.start, headEnd));
          input.start = headEnd;
        }
      }
      for (let start = 0; ; ) {
        while (bytes[start] === 13 || bytes[start] === 10) start++;
        const headEnd = findHeadEnd(bytes, start, bytes.length);
        if (headEnd < 0) break;
        wanted.push(bytes.toString('latin1', start, headEnd));
        start = headEnd;
      }
      return isDeepStrictEqual(found, wanted);
    }),
    { seed: SEED, numRuns: 3000 },
  );
});
