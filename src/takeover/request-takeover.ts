// What one request has to do with sessions of other packages: takes them over, and keeps their copies up to date.

import { wasRegenerated } from "../commit/regeneration-marker.ts";
import type { Ticket } from "../cookies/ticket.ts";
import type { Adopted, LegacySource, OldSession } from "../legacy/source.ts";
import type { SessionRecord } from "../records/record.ts";
import { findRecord, type LoadedRecord, readRecord } from "../records/record-store.ts";
import type { Adoption, TakeoverContext } from "./adoption.ts";
import { changedThere, importChanges, markOver } from "./import-changes.ts";
import { changedKeys, hashesOf, type Link, linkOf, type Note, noteOf, withNote } from "./link.ts";

const NO_COOKIES: readonly string[] = [];

export class RequestTakeover {
  readonly #context: TakeoverContext;
  readonly #adoption: Adoption;
  readonly #sources: readonly LegacySource[];
  readonly #tellLogout: ReadonlySet<LegacySource>;
  readonly #header: string;
  /** By package, what its cookies are to be. */
  readonly #cookies = new Map<string, readonly string[]>();
  /** The copy, as this request last read or wrote it. */
  #copy: OldSession | undefined;
  /** The id of a copy that another one has replaced. */
  #replaced: string | undefined;
  #issuesTicket = false;

  constructor(
    context: TakeoverContext,
    adoption: Adoption,
    sources: readonly LegacySource[],
    tellLogout: ReadonlySet<LegacySource>,
    header: string,
  ) {
    this.#context = context;
    this.#adoption = adoption;
    this.#sources = sources;
    this.#tellLogout = tellLogout;
    this.#header = header;
  }

  /** True if the browser does not have the session's ticket. */
  get issuesTicket(): boolean {
    return this.#issuesTicket;
  }

  /** The `Set-Cookie` values for the old packages' cookies. */
  get cookies(): readonly string[] {
    return this.#cookies.size === 0 ? NO_COOKIES : [...this.#cookies.values()].flat();
  }

  /**
   * The ticket of this request's session, once that has all that its copy has. `presented` are the tickets of the request.
   * Undefined: it has no session. @throws StoreError
   */
  async ticket(presented: readonly Ticket[]): Promise<Ticket | undefined> {
    for (const ticket of presented) {
      const loaded = await findRecord(this.#context, ticket, 1, false, true);
      if (loaded === undefined) continue;
      const link = linkOf(loaded.record);
      const source = link && !link.isOver ? this.#sources.find((one) => one.package === link.package) : undefined;
      return source === undefined ? this.#besideOld(loaded, link) : this.#withCopy(loaded, link!, source);
    }
    return this.#adopt();
  }

  /** True if sessions have copies in another package now. */
  get keepsCopies(): boolean {
    return this.#keeping() !== undefined;
  }

  /** True if the session should have a copy, and has none. */
  needsCopy(record: SessionRecord | undefined): boolean {
    const source = this.#keeping();
    if (source === undefined || linkOf(record) !== undefined) return false;
    return record === undefined || !this.#isOver(record.createdAt, source);
  }

  /** Writes the first copy of a session. Undefined: that failed, and the session goes on without. */
  begin(id: string, session: Adopted): Promise<Link | undefined> {
    return this.#writeNew(this.#keeping()!, id, session, this.#context.clock.now());
  }

  /** Writes the copy of a session under another id, as the session gets another ticket. */
  async renew(record: SessionRecord | undefined, id: string, session: Adopted): Promise<Link | undefined> {
    const link = linkOf(record);
    const source = this.#sourceOf(link);
    if (source === undefined || source.inCookie) return undefined;
    const renewed = await this.#writeNew(source, id, session, link!.since);
    if (renewed !== undefined) this.#replaced = link!.id;
    return renewed;
  }

  /** Ends the copy of a session that is about to end. @throws StoreError */
  async end(record: SessionRecord | undefined): Promise<void> {
    const link = linkOf(record);
    const source = this.#sourceOf(link);
    if (source !== undefined && link!.id !== undefined) {
      await this.#adoption.ask(source, "delete", () => source.end(link!.id!));
    }
    if (source !== undefined && this.#replaced !== undefined) await this.#adoption.end(source, this.#replaced);
    this.#replaced = undefined;
    this.#copy = undefined;
    this.#cookies.clear();
    for (const source of this.#sources) if (source.isPresent(this.#header)) this.#clear(source);
  }

  /** The session is committed: brings its copy up to date. A failure is reported, and the next request tries again. */
  async finish(record: SessionRecord | undefined, ticket: Ticket | undefined): Promise<void> {
    const link = linkOf(record);
    const source = this.#sourceOf(link);
    if (record === undefined || ticket === undefined || source === undefined) return;
    try {
      await this.#update(source, link!, record, ticket);
      if (this.#replaced !== undefined) await this.#adoption.end(source, this.#replaced);
      this.#replaced = undefined;
    } catch (error) {
      // The copy says by itself on which state it is based, so nothing is lost here.
      this.#adoption.report(source, "write", error);
    }
  }

  async #update(source: LegacySource, link: Link, record: SessionRecord, ticket: Ticket): Promise<void> {
    let copy = this.#copy;
    let note = this.#noteFor(source, record, ticket);
    if (copy !== undefined && isUpToDate(copy, note) && changedThere(record, copy).length === 0) {
      if (link.id !== undefined) await this.#adoption.ask(source, "touch", () => source.touch(link.id!, copy!));
    } else {
      if (link.id !== undefined) {
        // An old server may have written since. What it writes between this look and our write is lost.
        copy = await this.#adoption.read(source, link.id);
        if (copy === undefined) return; // logged out there: the next request ends the session
        const loaded = await readRecord(this.#context, ticket);
        const latest = loaded && (await importChanges(this.#context, source, loaded, copy, link.id));
        if (latest === undefined) return;
        record = latest.record;
        note = this.#noteFor(source, record, ticket);
      }
      const data = withNote(this.#restored(source, record), note);
      const written = await this.#adoption.ask(source, "write", () => source.write(data, link.id, copy));
      if (written.cookies.length > 0) this.#cookies.set(source.package, written.cookies);
      this.#copy = { endsAt: undefined, rolls: false, meta: undefined, ...copy, data };
    }
    if (link.id !== undefined && !this.#cookies.has(source.package) && source.find(this.#header) !== link.id) {
      this.#cookies.set(source.package, source.cookies(link.id));
    }
  }

  /** A session whose copy is kept. */
  async #withCopy(loaded: LoadedRecord, link: Link, source: LegacySource): Promise<Ticket | undefined> {
    const found = source.find(this.#header);
    if (this.#isOver(link.since, source)) {
      await this.#retire(loaded, link, source);
      return loaded.ticket;
    }
    let copy = await this.#readCopy(source, link.id ?? found);
    let { id } = link;
    if (!this.#isCopyOf(loaded, source, copy) || (id !== undefined && found !== undefined && found !== id)) {
      // An old server has given the copy another id, or has begun another session, which is newer than this one.
      const other = found === undefined ? "none" : await this.#readCopy(source, found);
      if (typeof other === "object" && noteOf(other)?.session === loaded.ticket.key) {
        copy = other;
        id = source.inCookie ? undefined : found;
      } else {
        const newer = found && (await this.#takeNewer(loaded, source, found));
        if (newer) return newer;
        if (source.inCookie && typeof copy === "object") return loaded.ticket;
      }
    }
    if (copy === "none") {
      // No copy means a logout on an old server. A cookie that is there, and can't be read, means nothing.
      const isEnded = id !== undefined || (!source.isPresent(this.#header) && this.#tellLogout.has(source));
      return isEnded ? this.#endedThere(loaded) : loaded.ticket;
    }
    if (copy === undefined) return loaded.ticket;
    this.#copy = copy;
    const latest = await importChanges(this.#context, source, loaded, copy, id);
    // The cookie may have the end of the session that was taken over.
    if (latest !== undefined && latest.record.owner !== loaded.record.owner) this.#issuesTicket = true;
    return latest && loaded.ticket;
  }

  /**
   * True unless what is in the browser's cookie has come from another session. Without a note, it may have come from a login
   * after a logout: nothing of the former user may be in it.
   */
  #isCopyOf({ ticket }: LoadedRecord, source: LegacySource, copy: OldSession | "none" | undefined): boolean {
    return !source.inCookie || typeof copy !== "object" || noteOf(copy)?.session === ticket.key;
  }

  /** A session without a copy that is kept. The browser's old cookie goes. */
  async #besideOld(loaded: LoadedRecord, link: Link | undefined): Promise<Ticket | undefined> {
    const { owner } = loaded.record;
    for (const source of this.#sources) {
      const found = source.find(this.#header);
      if (found === undefined) continue;
      if (link?.package === source.package && link.id === found) await this.#adoption.end(source, found);
      else if (owner === undefined || (source.keepFor !== undefined && link === undefined)) {
        // The session may have begun on a path, or with a click on another site, where the old cookie was not sent.
        const newer = await this.#takeNewer(loaded, source, found);
        if (newer !== undefined) return newer;
      }
      this.#clear(source);
    }
    return loaded.ticket;
  }

  async #adopt(): Promise<Ticket | undefined> {
    for (const source of this.#sources) {
      const found = source.find(this.#header);
      const taken = found === undefined ? undefined : await this.#adoption.take(source, found);
      if (taken === undefined) continue;
      const isAlive = taken.isNew || (await this.#context.store.read(taken.ticket.key)) !== undefined;
      if (!isAlive) {
        // It has ended here. A late request must not take away what its browser has got by a regeneration.
        const goesOn = await wasRegenerated(this.#context.store, [taken.ticket.key]);
        if (!goesOn) await this.#adoption.end(source, found!);
      } else if (source.keepFor === undefined) this.#clear(source);
      else {
        const copy = await this.#readCopy(source, found);
        if (copy !== "none") this.#copy = copy;
      }
      this.#issuesTicket = true;
      return taken.ticket;
    }
    return undefined;
  }

  /** The ticket for an old session that was not taken over yet, in place of the session that the browser had here. */
  async #takeNewer(former: LoadedRecord, source: LegacySource, found: string): Promise<Ticket | undefined> {
    const { store, events } = this.#context;
    const { ticket, record } = former;
    const taken = await this.#adoption.take(source, found);
    if (taken === undefined) return undefined;
    // One that was taken over before is older, unless another request has put it in this one's place at this moment.
    if (!taken.isNew && (await store.read(ticket.key)) !== undefined) return undefined;
    if (await store.delete(ticket.key)) events.ended(ticket.key, "replaced", record);
    if (source.keepFor === undefined) this.#clear(source);
    this.#issuesTicket = true;
    return taken.ticket;
  }

  /** Ends the session, since its copy was ended by an old server. */
  async #endedThere({ ticket, record }: LoadedRecord): Promise<Ticket | undefined> {
    const { store, events } = this.#context;
    if (await store.delete(ticket.key)) events.ended(ticket.key, "destroyed", record);
    return this.#adopt();
  }

  /** Ends the copy, and notes in the session that it has none any more. */
  async #retire(loaded: LoadedRecord, link: Link, source: LegacySource): Promise<void> {
    if (link.id !== undefined && !(await this.#adoption.end(source, link.id))) return;
    this.#clear(source);
    await markOver(this.#context, loaded);
  }

  async #writeNew(source: LegacySource, id: string, session: Adopted, since: number): Promise<Link | undefined> {
    const link = { package: source.package, id: undefined, since };
    if (source.inCookie) return link;
    try {
      const restored = source.restore(session);
      const data = withNote(restored, { session: id, of: this.#adoption.mark, base: hashesOf(restored) });
      const written = await this.#adoption.ask(source, "write", () => source.write(data, undefined, undefined));
      this.#cookies.set(source.package, written.cookies);
      this.#copy = undefined;
      return { ...link, id: written.found };
    } catch (error) {
      this.#adoption.report(source, "write", error);
      return undefined;
    }
  }

  /** `"none"`: there is none. Undefined: the old store fails, which is reported. */
  async #readCopy(source: LegacySource, found: string | undefined): Promise<OldSession | "none" | undefined> {
    if (found === undefined) return "none";
    try {
      return (await this.#adoption.read(source, found)) ?? "none";
    } catch {
      return undefined;
    }
  }

  #noteFor(source: LegacySource, record: SessionRecord, { key }: Ticket): Note {
    return { session: key, of: this.#adoption.mark, base: hashesOf(this.#restored(source, record)) };
  }

  #restored(source: LegacySource, record: SessionRecord): Record<string, unknown> {
    return source.restore({ data: record.data(this.#context.clock.now()), owner: record.owner });
  }

  #sourceOf(link: Link | undefined): LegacySource | undefined {
    if (link === undefined || link.isOver) return undefined;
    return this.#sources.find((source) => source.package === link.package && source.keepFor !== undefined);
  }

  #keeping(): LegacySource | undefined {
    return this.#sources.find((source) => source.keepFor !== undefined);
  }

  #isOver(since: number, { keepFor = 0 }: LegacySource): boolean {
    return since + keepFor <= this.#context.clock.now();
  }

  #clear(source: LegacySource): void {
    this.#cookies.set(source.package, source.clear());
  }
}

function isUpToDate(copy: OldSession, { session, base }: Note): boolean {
  const note = noteOf(copy);
  return note?.session === session && changedKeys(note.base, base).length === 0;
}
