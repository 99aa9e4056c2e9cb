// The shop, or the tests' application, on the platform that PLATFORM names.

import { NestFactory } from "@nestjs/core";
import { ExpressAdapter } from "@nestjs/platform-express";
import { FastifyAdapter } from "@nestjs/platform-fastify";
import { AppModule } from "./app.module.js";
import { SuiteModule } from "./suite.module.js";

const { APPLICATION, HOST, PLATFORM, PORT } = process.env;
const adapter = PLATFORM === "fastify" ? new FastifyAdapter() : new ExpressAdapter();
const app = await NestFactory.create(APPLICATION === "suite" ? SuiteModule : AppModule, adapter as never, {
  logger: false,
});
app.enableShutdownHooks();
await app.listen(PORT!, HOST!);
