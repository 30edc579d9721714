// Listeners of named events.

/** The listeners of one object, which is their `this`. */
export function listeners(self) {
  let all = [];
  const off = (event, listener) => {
    all = all.filter((each) => each.event !== event || each.listener !== listener);
  };
  const adder = (isOnce) => (event, listener) => {
    off(event, listener);
    all = [...all, { event, listener, isOnce }];
    return () => off(event, listener);
  };
  const emit = (event, ...details) => {
    for (const { listener, isOnce } of all.filter((each) => each.event === event)) {
      if (isOnce) off(event, listener);
      safely(listener, self, details);
    }
  };
  return { on: adder(false), once: adder(true), off, emit };
}

/** Calls a listener; an error of its own is reported alone. */
export function safely(listener, self, details) {
  try {
    listener.apply(self, details);
  } catch (error) {
    setTimeout(() => { throw error; }, 0);
  }
}
