// Compresses records before they are sealed.

import zlib from "node:zlib";
import { OptionError } from "../errors.ts";
import type { Cipher } from "./cipher.ts";

export interface CompressOptions {
  /** Sessions of fewer bytes are not compressed. Default: 1024. */
  threshold?: number;
  /** Default: `"zstd"`, or the first of the three that the runtime has. Every process can read all three. */
  algorithm?: "zstd" | "brotli" | "gzip";
}

interface Algorithm {
  /** The first byte of its output. No record begins with it. */
  mark: number;
  compress(bytes: Uint8Array): Buffer;
  /** @throws RangeError if more than `limit` bytes come out. */
  decompress(bytes: Uint8Array, limit: number): Buffer;
}

const { BROTLI_PARAM_QUALITY } = zlib.constants;

const ALGORITHMS: Record<NonNullable<CompressOptions["algorithm"]>, Algorithm> = {
  zstd: {
    mark: 0xd1,
    compress: (bytes) => zlib.zstdCompressSync(bytes),
    decompress: (bytes, maxOutputLength) => zlib.zstdDecompressSync(bytes, { maxOutputLength }),
  },
  brotli: {
    mark: 0xd2,
    // Its default, 11, is for files that are compressed once: a hundred times slower.
    compress: (bytes) => zlib.brotliCompressSync(bytes, { params: { [BROTLI_PARAM_QUALITY]: 4 } }),
    decompress: (bytes, maxOutputLength) => zlib.brotliDecompressSync(bytes, { maxOutputLength }),
  },
  gzip: {
    mark: 0xd3,
    compress: (bytes) => zlib.gzipSync(bytes),
    decompress: (bytes, maxOutputLength) => zlib.gunzipSync(bytes, { maxOutputLength }),
  },
};

const BY_MARK = new Map(Object.values(ALGORITHMS).map((algorithm) => [algorithm.mark, algorithm]));
const FIRST_MARK = 0xd0;
// Whatever comes out may have this size, or this ratio to what goes in. JSON has a ratio of 5 to 20.
const HARMLESS = 1024 * 1024;
const MAX_RATIO = 20;
// Bytes that are sealed with a record: a sealed cookie has its expiry there.
const MAX_BESIDE = 64;

/**
 * A cipher that compresses records before it seals them, if `compress` says so. It reads compressed and plain records in
 * either case, so that the option can change at any time, on one server of a farm after the other.
 *
 * @throws OptionError
 */
export function compressing(inner: Cipher, compress: boolean | CompressOptions | undefined, maxSize: number): Cipher {
  const { threshold, mark, compress: compressBytes } = settings(compress);

  function compressed(record: Buffer): Buffer {
    if (record.length < threshold) return record;
    const bytes = compressBytes(record);
    return bytes.length + 1 < record.length ? Buffer.concat([Buffer.of(mark), bytes]) : record;
  }

  return {
    seal:
      threshold === Infinity ? inner.seal : (record, target, owner) => inner.seal(compressed(record), target, owner),
    canOpen: inner.canOpen,
    open(sealed, target, owner) {
      const bytes = inner.open(sealed, target, owner);
      return bytes[0]! >= FIRST_MARK ? decompressed(bytes, maxSize) : bytes;
    },
  };
}

/**
 * A few bytes may claim to be huge, so the output is limited. It may be larger than `maxSize`: another server may have
 * written it, on which `maxSize` is or was larger.
 */
function decompressed(bytes: Uint8Array, maxSize: number): Uint8Array {
  const algorithm = BY_MARK.get(bytes[0]!);
  if (algorithm === undefined) return bytes;
  return algorithm.decompress(bytes.subarray(1), Math.max(maxSize + MAX_BESIDE, HARMLESS, MAX_RATIO * bytes.length));
}

/** @throws OptionError if the option is wrong. */
export function checkCompress(compress: boolean | CompressOptions | undefined): void {
  settings(compress);
}

function settings(
  compress: boolean | CompressOptions | undefined,
): { threshold: number } & Omit<Algorithm, "decompress"> {
  if (compress === undefined || compress === false) return { threshold: Infinity, ...ALGORITHMS.gzip };
  if (compress === null || (typeof compress !== "object" && compress !== true)) {
    throw new OptionError("compress", compress, "use true, false, or an object with threshold and algorithm.");
  }
  const { threshold = 1024, algorithm = best() } = compress === true ? {} : compress;
  if (!Number.isInteger(threshold) || threshold < 0) {
    throw new OptionError("compress.threshold", threshold, "give a number of bytes.");
  }
  if (!Object.hasOwn(ALGORITHMS, algorithm)) {
    throw new OptionError("compress.algorithm", algorithm, 'use "zstd", "brotli" or "gzip".');
  }
  return { threshold, ...ALGORITHMS[algorithm] };
}

/** Of 4 KB of JSON, each leaves a fifth; zstd takes the least time for it, and by far the least for more. */
function best(): keyof typeof ALGORITHMS {
  if (typeof zlib.zstdCompressSync === "function") return "zstd";
  return typeof zlib.brotliCompressSync === "function" ? "brotli" : "gzip";
}
