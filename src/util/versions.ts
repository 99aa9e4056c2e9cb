// Versions of packages, compared.

/** True if a version, such as "4.9.2", is older than another, of which the first parts may be enough: "4.10". */
export function isOlder(version: string, than: string): boolean {
  const [has, needs] = [version, than].map((text) => text.split(".").map((part) => Number.parseInt(part, 10)));
  for (const [index, needed] of needs!.entries()) {
    const part = has![index] ?? 0;
    if (part !== needed) return part < needed;
  }
  return false;
}
