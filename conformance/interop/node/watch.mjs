// A Watch sends the PINGs of a client whose request is unanswered while nothing is heard
// on a path, and finds the path suspect when nothing follows them. 9.2, 12.12

import { LIMIT, TIMER } from './codes.mjs';

export class Watch {
  #session;
  #path;
  #times = 1; // how often the interval has doubled, as a factor
  #asked = new Set(); // data of the PINGs sent

  constructor(session, path) {
    this.#session = session;
    this.#path = path;
  }

  // [XTMP-HBT-020] [XTMP-UDP-103]
  get #interval() {
    const { datagram, recovery } = this.#path;
    const first = datagram ? Math.max(3 * recovery.pto, TIMER.T_PROBE_UDP) : TIMER.T_PROBE;
    return Math.min(this.#times * first, Math.max(first, TIMER.T_PROBE_MAX));
  }

  // watch runs the probing interval while a request is unanswered.
  watch() {
    const path = this.#path;
    if (path.over || !this.#session.awaits) {
      path.deadlines.clear('probe');
      this.#times = 1;
      return;
    }
    if (path.suspect) return path.deadlines.clear('probe');
    path.deadlines.set('probe', this.#interval, () => this.#ask(1));
  }

  // #ask sends a probe, on UDP two more when nothing follows. [XTMP-UDP-104]
  #ask(n) {
    const path = this.#path;
    if (path.datagram && !this.#session.awaitsOn(path)) return;
    const data = path.pingData();
    this.#asked.add(data.toString('hex'));
    path.ping(data);
    const last = !path.datagram || n === LIMIT.suspect_ptos;
    const wait = path.datagram ? path.recovery.pto : TIMER.T_PROBE_ANSWER;
    path.deadlines.set('answer', wait, () => (last ? path.suspected('nothing followed a probe') : this.#ask(n + 1)));
    if (!path.datagram) this.watch();
  }

  heard() {
    this.watch();
  }

  // pong doubles the interval. [XTMP-HBT-021]
  pong(data) {
    if (!this.#asked.delete(data.toString('hex'))) return;
    this.#asked.clear();
    if (this.#interval < TIMER.T_PROBE_MAX) this.#times *= 2;
    this.watch();
  }
}
