// The environment's variables in a configuration: `[NAME]` and `${NAME}`.

/** Variables by name, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

// `[NAME]` as a whole value, and `${NAME}` and `$${` anywhere in one.
const WHOLE = /^\[([A-Za-z_]\w*)\]$/;
const PART = /\$\$\{|\$\{([A-Za-z_]\w*)\}/g;

/** A JSON value after its variables were replaced. */
export interface Resolved {
  /** Undefined in place of a text whose variable is not set. */
  value: unknown;
  /** The paths of the texts that came from the environment, wholly or in part. */
  fromEnvironment: ReadonlySet<string>;
}

/**
 * Replaces the variables in every text of a JSON value, in a copy of it. `problem` is called for each variable that is not
 * set.
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
      problem(`${join(at, key)} is not allowed, since it would change every object's prototype: remove it.`);
      return [];
    });
    return Object.fromEntries(entries);
  }

  return { value: walk(value, path), fromEnvironment };
}

/** The path of a key: `options` and `port` give `options.port`. */
export function join(path: string, key: string): string {
  const name = /^[\w$-]+$/.test(key) ? key : JSON.stringify(key);
  return path === "" ? name : `${path}.${name}`;
}
