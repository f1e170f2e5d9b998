// A Caller makes calls on whatever session there is, and on a new one when that has ended
// before a call was sent. What may have been executed is for the caller's caller to know.

import { LIMIT } from './codes.mjs';

export class Caller {
  #open;
  #session = null; // or the promise of one

  // open makes a session.
  constructor(open) {
    this.#open = open;
  }

  // session is one that is not over. [XTMP-TMR-006] [XTMP-PTH-048] [XTMP-RST-014]
  async session() {
    for (let tries = 1; ; tries++) {
      this.#session ??= this.#open();
      try {
        const session = await this.#session;
        if (!session.over && !session.draining) return session;
        this.#session = null;
      } catch (error) {
        this.#session = null;
        if (tries === LIMIT.N_RETRY) throw error;
      }
    }
  }

  async call(...request) {
    for (;;) {
      const session = await this.session();
      try {
        return await session.call(...request);
      } catch (error) {
        if (!error.notSent) throw error;
        if (this.#session) this.#session = null;
      }
    }
  }
}
