// Attach as the tests say it: puppets on further paths of a puppet's session.

import { BIT, HS, KIND, TYPE } from './codes.mjs';
import { wallMicros } from './clock.mjs';
import { binderOf, slotsUnder } from './attach.mjs';
import { OpenSlot, SealSlot } from './frame.mjs';
import { attachSecrets } from './keys.mjs';
import { decodeAttachAck, encodeAttach, splitEnvelope, withEnvelope } from './messages.mjs';
import { random } from './primitives.mjs';

// An AttachPuppet speaks for the client of a session that another puppet has made:
// { id, root, suite }. epoch is that of the root.
export class AttachPuppet {
  counter = -1;

  constructor(made, { root = made.root, epoch = 0 } = {}) {
    const { ts_client: c, ts_server: s } = attachSecrets(root);
    Object.assign(this, { id: made.id, suite: made.seal.suite, root, epoch, seal: new SealSlot(c, made.seal.suite), openKeys: s });
  }

  // frame is an Attach; change(fields) may spoil what is in it.
  frame({ udp = false, standby = false, counter = this.counter + 1, change = (fields) => fields, body, flags = 0, hsType = HS.ATTACH } = {}) {
    this.counter = Math.max(this.counter, counter);
    const fields = change({ kind: udp ? KIND.UDP : KIND.STREAM, flags: standby ? BIT.STANDBY : 0, counter, random: random(32), time: wallMicros() });
    const [id, attach] = [random(8), body ?? encodeAttach(fields)];
    this.seal.next = BigInt(counter);
    const frame = this.seal.seal({ type: TYPE.HANDSHAKE, flags, sessionId: this.id, stamp: wallMicros() }, withEnvelope(hsType, id, attach), BigInt(counter));
    return Object.assign(frame, { attach: { body: attach, id, counter, udp } });
  }

  // accept takes the answer to an Attach and returns { status, seal, open }.
  accept({ attach }, { h, frame }) {
    const slot = new OpenSlot(this.openKeys, this.suite);
    slot.next = BigInt(attach.counter);
    const { hsType, handshakeId, body } = splitEnvelope(slot.open(h, frame, this.id, null));
    if (hsType !== HS.ATTACH_ACK || !handshakeId.equals(attach.id)) throw new Error('no AttachAck for it');
    const { status } = decodeAttachAck(body);
    return { status, ...slotsUnder(this.root, binderOf(attach.body, body), this.epoch, this.suite, { client: true, udp: attach.udp }) };
  }

  // over attaches by a puppet, which can speak on the path then. It returns the status.
  async over(puppet, options) {
    const frame = this.frame(options);
    puppet.raw(frame);
    const got = await puppet.next();
    if (got === null) return null;
    const { status, ...slots } = this.accept(frame, got);
    slots.seal.leavesOut = false; // the tests count
    Object.assign(puppet, slots, { id: this.id });
    return status;
  }
}
