// Timers with names; at most one of each name is running.

export class Timers {
  constructor() { this._all = {}; }

  has(name) { return Boolean(this._all[name]); }

  start(name, delayMs, work) {
    this.stop(name);
    this._all[name] = setTimeout(() => {
      this._all[name] = null;
      work();
    }, delayMs);
  }

  stop(name) {
    clearTimeout(this._all[name]);
    this._all[name] = null;
  }

  stopAll() { Object.keys(this._all).forEach((name) => this.stop(name)); }
}
