// Plugins of Fastify whose hooks apply to the whole instance, and not to the plugin only.

import type { FastifyPluginCallback } from "fastify";

/** Marks a plugin, as the package fastify-plugin does. */
export function forInstance<Plugin extends FastifyPluginCallback>(name: string, plugin: Plugin): Plugin {
  return Object.assign(plugin, {
    [Symbol.for("skip-override")]: true,
    [Symbol.for("fastify.display-name")]: name,
  });
}
