// The tables of codes.mjs against spec/registry, and the flag matrix over every
// type and every combination of flags.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERROR, FLAG, FLIGHT, HEARTBEAT, HS, LIMIT, TIMER, TYPE, flagsLegal } from '../codes.mjs';

const registry = (name) => JSON.parse(readFileSync(new URL(`../../../../spec/registry/${name}.json`, import.meta.url), 'utf8'));
const upper = (name) => name.replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase();

test('timers and limits', () => {
  const timers = Object.fromEntries(registry('timers').map(({ name, value }) => [name, value]));
  for (const [name, value] of Object.entries(TIMER)) assert.equal(value, timers[name], name);
  const limits = Object.fromEntries([...registry('sizes'), ...registry('counts')].map(({ name, value }) => [name, value]));
  for (const [name, value] of Object.entries(LIMIT)) assert.equal(Number(value), limits[name], name);
});

test('code points', () => {
  assert.deepEqual(ERROR, Object.fromEntries(registry('errors').map(({ name, code }) => [name, Number(code)])));
  assert.deepEqual(FLAG, Object.fromEntries(registry('flags').map(({ name, value }) => [name, Number(value)])));
  assert.deepEqual(HEARTBEAT, Object.fromEntries(registry('heartbeat_kinds').map(({ name, value }) => [name, value])));
  const hs = Object.fromEntries(registry('hs_types').map(({ name, value }) => [upper(name), value]));
  for (const [name, value] of Object.entries(HS)) assert.equal(value, hs[name], name);
  const types = Object.fromEntries(registry('types').types.map(({ name, code }) => [upper(name), Number(code)]));
  for (const [name, value] of Object.entries(TYPE)) assert.equal(value, types[name], name);
  assert.deepEqual(Object.values(FLIGHT), registry('flight_types').map(({ value }) => Number(value)));
});

// rowsAllow reads the matrix as 3.3 says: any row, either role; a frame with a key.
function rowsAllow(rows, type, flags) {
  const bit = (name) => (flags & FLAG[name]) !== 0;
  return rows.some((row) => {
    if (!row.types.some(({ from, to }) => type >= Number(from) && type <= Number(to))) return false;
    if (row.slots.includes('clear')) return false;
    return ['REQUIRES_ACK', 'REPLY', 'STREAMING', 'PRIORITY', 'FRAGMENT', 'COMPRESSED'].every((name) => {
      const rule = row[name.toLowerCase()];
      return rule === 'optional' || bit(name) === (rule === 'set');
    });
  });
}

test('flag matrix', () => {
  const rows = registry('flag_matrix');
  for (let type = 0; type <= 0xff; type++) {
    for (let flags = 0; flags <= 0x7f; flags++) assert.equal(flagsLegal(type, flags), rowsAllow(rows, type, flags), `type ${type} flags ${flags}`);
    for (let bit = 0x80; bit <= 0x8000; bit <<= 1) assert.equal(flagsLegal(type, bit), false, `type ${type} flags ${bit}`);
  }
});
