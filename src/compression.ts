import zlib from "node:zlib";
import type { Cipher } from "./cipher.ts";
import { OptionError } from "./errors.ts";

export interface CompressOptions {
  /** The least bytes of a session that are worth it. Default: 1024. */
  threshold?: number;
  /** Default: `"zstd"`, or the first of the three that the runtime has. Every process can read all three. */
  algorithm?: "zstd" | "brotli" | "gzip";
}

interface Algorithm {
  /** The first byte of what it packed. No record begins with it. */
  mark: number;
  pack(bytes: Uint8Array): Buffer;
  /** @throws RangeError if more than `limit` bytes come out. */
  unpack(bytes: Uint8Array, limit: number): Buffer;
}

const { BROTLI_PARAM_QUALITY } = zlib.constants;

const ALGORITHMS: Record<NonNullable<CompressOptions["algorithm"]>, Algorithm> = {
  zstd: {
    mark: 0xd1,
    pack: (bytes) => zlib.zstdCompressSync(bytes),
    unpack: (bytes, maxOutputLength) => zlib.zstdDecompressSync(bytes, { maxOutputLength }),
  },
  brotli: {
    mark: 0xd2,
    // Its default, 11, is for files that are compressed once: a hundred times slower.
    pack: (bytes) => zlib.brotliCompressSync(bytes, { params: { [BROTLI_PARAM_QUALITY]: 4 } }),
    unpack: (bytes, maxOutputLength) => zlib.brotliDecompressSync(bytes, { maxOutputLength }),
  },
  gzip: {
    mark: 0xd3,
    pack: (bytes) => zlib.gzipSync(bytes),
    unpack: (bytes, maxOutputLength) => zlib.gunzipSync(bytes, { maxOutputLength }),
  },
};

const BY_MARK = new Map(Object.values(ALGORITHMS).map((algorithm) => [algorithm.mark, algorithm]));
const FIRST_MARK = 0xd0;

/**
 * A cipher that packs records before it seals them, if `compress` says so. It reads packed and plain ones in either
 * case, so that the option can change at any time, on one server of a farm after the other.
 *
 * @throws OptionError
 */
export function compressing(inner: Cipher, compress: boolean | CompressOptions | undefined, maxSize: number): Cipher {
  const { threshold, pack, mark } = settings(compress);

  function packed(record: Buffer): Buffer {
    if (record.length < threshold) return record;
    const bytes = pack(record);
    return bytes.length + 1 < record.length ? Buffer.concat([Buffer.of(mark), bytes]) : record;
  }

  return {
    seal: threshold === Infinity ? inner.seal : (record, target) => inner.seal(packed(record), target),
    canOpen: inner.canOpen,
    open(sealed, target) {
      const bytes = inner.open(sealed, target);
      return bytes[0]! >= FIRST_MARK ? unpacked(bytes, maxSize) : bytes;
    },
  };
}

/** What a few bytes claim to be may be huge: nothing that could not have been written is unpacked. */
function unpacked(bytes: Uint8Array, maxSize: number): Uint8Array {
  const algorithm = BY_MARK.get(bytes[0]!);
  return algorithm === undefined ? bytes : algorithm.unpack(bytes.subarray(1), maxSize);
}

function settings(compress: boolean | CompressOptions | undefined): { threshold: number } & Omit<Algorithm, "unpack"> {
  if (compress === undefined || compress === false) return { threshold: Infinity, ...ALGORITHMS.gzip };
  if (typeof compress !== "object" && compress !== true) {
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
