// The files of vectors/, read. Their form is in vectors/README.md.

import { readFileSync, readdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

// XTMP_VECTORS names another folder of vectors.
export const ROOT = process.env.XTMP_VECTORS ? pathToFileURL(`${process.env.XTMP_VECTORS}/`) : new URL('../../../vectors/', import.meta.url);

// parse reads a vector: header, given, results, frames and streams of bytes.
function parse(text) {
  const v = { given: {}, result: {}, frames: [] };
  let put = (name, value) => (v[name] = value);
  let last = null;
  let head = true;
  for (const line of text.split('\n')) {
    if (line.startsWith('---') || line.startsWith('>>>')) {
      head = false;
      const frame = { from: line.includes('client →') ? 'client' : 'server', at: /client at (\S+)/.exec(line)?.[1], bytes: Buffer.alloc(0) };
      if (line.startsWith('>>>')) v.frames.push(frame);
      const section = v[line.slice(4)];
      put = (name, value) => {
        if (line.startsWith('>>>')) frame.bytes = Buffer.concat([frame.bytes, value]);
        else if (section) section[name] = Buffer.concat([section[name] ?? Buffer.alloc(0), value]);
      };
      continue;
    }
    const m = head ? /^(\w+): (.*)$/.exec(line) : /^(\S*)(?:\s+([0-9a-f]+))?\s*(?:#.*)?$/.exec(line);
    if (!m) continue;
    last = m[1] || last;
    put(last, head ? m[2] : Buffer.from(m[2] ?? '', 'hex'));
  }
  return v;
}

export const vectors = readdirSync(ROOT, { withFileTypes: true }).filter((d) => d.isDirectory()).flatMap((area) =>
  readdirSync(new URL(`${area.name}/`, ROOT)).filter((name) => name.endsWith('.txt'))
    .map((name) => parse(readFileSync(new URL(`${area.name}/${name}`, ROOT), 'utf8'))));
