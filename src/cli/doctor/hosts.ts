// Which addresses stay on this machine.

/** True for a host that no network carries to. */
export function isLoopback(host: string): boolean {
  return host === "" || /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(host);
}
