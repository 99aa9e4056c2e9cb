import { Readable } from "node:stream";
import { All, Controller, Inject, Req, Res, Session, StreamableFile } from "@nestjs/common";
import { HttpAdapterHost } from "@nestjs/core";
import type { Session as CoatSession } from "coatcheck";
import { type AdminData, type Data, type Kit, route } from "./suite-app.js";

@Controller("suite")
export class SuiteController {
  constructor(
    @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
    @Inject("KIT") private readonly kit: Kit,
  ) {}

  @All(":path")
  async serve(
    @Session() session: CoatSession<Data>,
    @Req() request: { url: string; admin: CoatSession<AdminData> },
    @Res({ passthrough: true }) response: object,
  ) {
    const url = new URL(request.url, "http://localhost");
    if (url.pathname.endsWith("/calls")) return String(this.kit.calls());
    const { status = 200, headers = {}, body, stream } = await route(session, url, request.admin);
    const adapter = this.adapterHost.httpAdapter;
    adapter.status(response, status);
    for (const [name, value] of Object.entries(headers)) adapter.setHeader(response, name, value);
    return stream ? new StreamableFile(Readable.from(stream())) : body;
  }
}
