import { CoatcheckError, StoreError } from "../../errors.ts";
import { tooLarge } from "./table-layout.ts";

export type Refusal = "missing" | "changed" | "exists";

/** What the client throws. Where the service's own code stands differs with service and emulator. */
export interface Failure {
  name?: string;
  code?: string;
  statusCode?: number;
  message?: string;
  details?: { errorCode?: string; odataError?: { code?: string } };
}

export function isRefusal(refusal: Refusal, error: unknown): boolean {
  const { statusCode } = error as Failure;
  if (refusal === "changed") return statusCode === 412;
  // Only these: a missing table is 404, and one that is being deleted 409.
  if (refusal === "exists") return statusCode === 409 && codeOf(error) === "EntityAlreadyExists";
  return statusCode === 404 && ["ResourceNotFound", "EntityNotFound"].includes(codeOf(error) ?? "");
}

/** Faults of the connection and of a server that is busy, restarting or overloaded. */
export function isPassing(error: unknown): boolean {
  const { statusCode, name } = error as Failure;
  if (statusCode === undefined) return name === "RestError";
  return statusCode === 408 || statusCode === 429 || statusCode >= 500;
}

function codeOf(error: unknown): string | undefined {
  const { code, details, message } = error as Failure;
  return details?.odataError?.code ?? details?.errorCode ?? /"code":\s*"(\w+)"/.exec(message ?? "")?.[1] ?? code;
}

export function asStoreError(what: string, error: unknown, timeout: number): CoatcheckError {
  if (error instanceof CoatcheckError) return error;
  const { name, message, statusCode } = error as Failure;
  if (name === "AbortError" || name === "TimeoutError") {
    return new StoreError(`coatcheck: Azure Table storage did not ${what} within ${timeout} ms`, error);
  }
  const code = codeOf(error);
  if (statusCode === 413 || code === "EntityTooLarge" || code === "RequestBodyTooLarge")
    return tooLarge(undefined, error);
  const reason = statusCode === undefined ? message : [statusCode, code].filter(Boolean).join(" ");
  return new StoreError(`coatcheck: Azure Table storage failed to ${what}: ${reason}`, error);
}
