import {
  type CanActivate,
  Controller,
  createParamDecorator,
  type ExecutionContext,
  Get,
  HttpException,
  Inject,
  NotFoundException,
  type OnModuleInit,
  Redirect,
  Session,
  Sse,
  UseGuards,
} from "@nestjs/common";
import type { Session as CoatSession, Sessions } from "coatcheck";
import { SESSIONS, sessionMode, sessionsToken } from "coatcheck/nest";
import { Observable, of } from "rxjs";
import type { AdminData, Data, Kit } from "./suite-app.js";

type UserSession = CoatSession<Data>;

/** A guard that lets those in who are signed in, and counts. */
class OnlyUsers implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { session } = context.switchToHttp().getRequest<{ session: UserSession }>();
    session.update("n", (n) => (n ?? 0) + 1);
    return session.data.user !== undefined;
  }
}

/** How an application names a second session, by Nest's own means. */
const Admin = createParamDecorator(
  (_data: unknown, context: ExecutionContext) => context.switchToHttp().getRequest().admin,
);

@Controller("mind")
export class MindController implements OnModuleInit {
  constructor(
    @Inject("KIT") private readonly kit: Kit,
    @Inject(SESSIONS) private readonly users: Sessions<Data>,
    @Inject(sessionsToken("admin")) private readonly admins: Sessions<AdminData>,
  ) {}

  onModuleInit(): void {
    if (this.users !== this.kit.users || this.admins !== this.kit.admins)
      throw new Error("other sessions are injected");
  }

  @Get("guarded")
  @UseGuards(OnlyUsers)
  guarded(@Session() session: UserSession) {
    return String(session.data.n);
  }

  @Get("middleware")
  middleware() {
    return "";
  }

  @Get("admin")
  admin(@Admin() admin: CoatSession<AdminData>) {
    admin.data.admin = "root";
    return "root";
  }

  @Get("alone")
  @UseGuards(sessionMode("exclusive"))
  async alone(@Session() session: UserSession) {
    const n = session.data.n ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 5));
    session.data.n = n + 1;
    return "added";
  }

  @Get("alone-and-throw")
  @UseGuards(sessionMode("exclusive"))
  aloneAndThrow(@Session() session: UserSession) {
    session.data.n = -1;
    throw new Error("the handler fails on purpose");
  }

  @Get("looking")
  @UseGuards(sessionMode("readonly"))
  looking(@Session() session: UserSession) {
    session.data.n = -1;
  }

  @Get("missing")
  missing(@Session() session: UserSession) {
    session.data.n = 404;
    throw new NotFoundException();
  }

  @Get("teapot")
  teapot(@Session() session: UserSession) {
    session.data.n = 418;
    throw new HttpException("no coffee", 502);
  }

  @Get("away")
  @Redirect("/suite/n")
  away(@Session() session: UserSession) {
    session.data.n = 302;
  }

  @Sse("events")
  events(@Session() session: UserSession) {
    session.data.n = 200;
    return new Observable<{ data: string }>((subscriber) => {
      subscriber.next({ data: "first" });
      setTimeout(() => {
        subscriber.next({ data: "second" });
        subscriber.complete();
      }, 20);
    });
  }
}

@Controller("down")
export class DownController {
  @Get("commit")
  commit(@Down() session: UserSession) {
    session.data.n = 1;
    return "never seen";
  }

  @Sse("events")
  events(@Down() session: UserSession) {
    session.data.n = 1;
    return of({ data: "first" });
  }

  @Get("handler")
  async handler(@Down() session: UserSession) {
    session.data.n = 1;
    await session.save();
  }
}

function Down() {
  return createParamDecorator(
    (_data: unknown, context: ExecutionContext) => context.switchToHttp().getRequest().down,
  )();
}
