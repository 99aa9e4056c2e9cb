// Where the sessions of an application of Fastify are registered.

import type { FastifyInstance, FastifyRequest } from "fastify";

/** What an instance and those below it have under a property of their requests. */
export interface Registration {
  readonly sessions: object;
  /** Under which a request keeps the session that was opened for it. */
  readonly opened: symbol;
}

const registrations = new WeakMap<object, Map<string, Registration>>();

/** Instances inherit from the one in which their plugin is registered. */
export function registrationOf(fastify: object, property: string): Registration | undefined {
  for (let instance: object | null = fastify; instance !== null; instance = Object.getPrototypeOf(instance)) {
    const registration = registrations.get(instance)?.get(property);
    if (registration !== undefined) return registration;
  }
  return undefined;
}

/** Registers sessions for the requests of an instance, and of those below it. */
export function register(fastify: FastifyInstance, property: string, sessions: object): Registration {
  const registration: Registration = { sessions, opened: Symbol("coatcheck.opened") };
  const byProperty = registrations.get(fastify) ?? new Map<string, Registration>();
  registrations.set(fastify, byProperty.set(property, registration));
  fastify.decorateRequest(property, undefined as never);
  fastify.decorateRequest(registration.opened, undefined as never);
  return registration;
}

/** What a request has under the names of its decorators. */
export function fieldsOf(request: FastifyRequest): Record<string | symbol, unknown> {
  return request as unknown as Record<string | symbol, unknown>;
}
