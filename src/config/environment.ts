/** Variables by name, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The pattern of a whole value `[NAME]`, and of `${NAME}` and `$${` anywhere in one. */
const WHOLE = /^\[([A-Za-z_]\w*)\]$/;
const PART = /\$\$\{|\$\{([A-Za-z_]\w*)\}/g;

/** A value with the environment's variables in it. */
export interface Resolved {
  /** Undefined stands where a variable is missing. */
  value: unknown;
  /** The paths of texts that came from the environment, or have a part from there. */
  fromEnvironment: ReadonlySet<string>;
}

/**
 * Puts the environment's variables into every text of a JSON value. `problem` is told of each that is not set.
 * The value itself stays as it is.
 */
export function resolve(value: unknown, path: string, env: Environment, problem: (text: string) => void): Resolved {
  const fromEnvironment = new Set<string>();

  function variable(name: string, at: string): string | undefined {
    const text = Object.hasOwn(env, name) ? env[name] : undefined;
    if (text === undefined) problem(`${at} needs the environment variable ${name}, which is not set.`);
    fromEnvironment.add(at);
    return text;
  }

  function fill(text: string, at: string): string | undefined {
    const whole = WHOLE.exec(text);
    if (whole) return variable(whole[1]!, at);
    let isComplete = true;
    const filled = text.replace(PART, (_, name?: string) => {
      const part = name === undefined ? "${" : variable(name, at);
      isComplete &&= part !== undefined;
      return part ?? "";
    });
    return isComplete ? filled : undefined;
  }

  function walk(node: unknown, at: string): unknown {
    if (typeof node === "string") return fill(node, at);
    if (Array.isArray(node)) return node.map((item, i) => walk(item, `${at}[${i}]`));
    if (typeof node !== "object" || node === null) return node;
    const entries = Object.entries(node).flatMap(([key, item]): [string, unknown][] => {
      if (key !== "__proto__") return [[key, walk(item, join(at, key))]];
      problem(`${join(at, key)} is not allowed: it would change what every object has.`);
      return [];
    });
    return Object.fromEntries(entries);
  }

  return { value: walk(value, path), fromEnvironment };
}

/** `options` and `port`: `options.port`. */
export function join(path: string, key: string): string {
  const name = /^[\w$-]+$/.test(key) ? key : JSON.stringify(key);
  return path === "" ? name : `${path}.${name}`;
}
