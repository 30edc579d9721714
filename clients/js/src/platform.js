// The platform: which one it is, when it wakes, and how its sockets are closed.

/** The functions of a mini-program, if this is one. They may not be on a global object. */
export function miniProgram() {
  /* global wx, uni, tt, my */
  return [typeof wx === 'object' && wx, typeof uni === 'object' && uni,
    typeof tt === 'object' && tt, typeof my === 'object' && my].find((app) => app?.connectSocket);
}

/** Milliseconds for measuring. */
export const clock = () => (typeof performance === 'object' ? performance : Date).now();

/** Calls back when the page is visible or the network is back; returns a function that ends that. */
export function onWake(wake) {
  const page = typeof self === 'object' ? self : {};
  const app = miniProgram() ?? {};
  const work = (news) => {
    if (news?.isConnected !== false && page.document?.visibilityState !== 'hidden') wake();
  };
  const hook = (verb, on) => {
    page[`${verb}EventListener`]?.('online', work);
    page.document?.[`${verb}EventListener`]?.('visibilitychange', work);
    app[`${on}AppShow`]?.(work);
    app[`${on}NetworkStatusChange`]?.(work);
  };
  hook('add', 'on');
  return () => hook('remove', 'off');
}

/** Closes a socket, without a code at once; never throws. */
export function dismiss(socket, code, reason = '') {
  try {
    // Only `ws` has it, and would wait 30 s.
    if (!code && socket.terminate) return socket.terminate();
    const isOurs = /^(1000|[34]\d{3})$/.test(code); // a client may send no others
    socket.close(isOurs ? code : 1000, String(reason).slice(0, 41)); // 123 bytes at most
  } catch { /* there is none, or it is closed */ }
}
