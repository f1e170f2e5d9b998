// Compression: one raw DEFLATE stream for each body. 8.12

import { deflateRawSync, inflateRawSync } from 'node:zlib';

// inflate returns the body, or null when the stream is not valid, does not yield
// exactly `length` bytes, or does not end with the last byte given. It stops when
// the stream yields more. [XTMP-CMP-006] [XTMP-CMP-009] [XTMP-CMP-010]
export function inflate(stream, length) {
  try {
    const { buffer, engine } = inflateRawSync(stream, { windowBits: 15, maxOutputLength: length + 1, info: true });
    return buffer.length === length && engine.bytesWritten === stream.length ? buffer : null;
  } catch {
    return null;
  }
}

// deflate compresses a body with a window of 32 KiB. [XTMP-CMP-002]
export const deflate = (body) => deflateRawSync(body, { windowBits: 15 });

// deflated returns the fields of a message to send: compressed where that is
// allowed and makes it shorter. [XTMP-CMP-003] [XTMP-CMP-005]
export function deflated(body, allowed) {
  if (!allowed) return { body };
  const stream = deflate(body);
  return stream.length < body.length ? { body: stream, originalLen: body.length } : { body };
}
