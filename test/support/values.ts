// Arbitrary session data for property-based tests.
import fc from "./random.ts";

/** Text of all kinds, including the empty text, `__proto__`, characters outside the BMP, and lone surrogates. */
export const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: "grapheme", maxLength: 12 }) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 8 }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "",
      "__proto__",
      "constructor",
      "toString",
      "\ud800",
      "a\udc00b",
      "\u2028",
      "</script>",
      "~[",
      "0",
    ),
  },
);

/** Values that `JSON.parse` can return. */
export const jsonValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ stringUnit: "binary", maxDepth: 4 }),
  // From JSON.parse, so that `__proto__` is an own key.
  fc.jsonValue().map((value) => JSON.parse(`{"__proto__":${JSON.stringify(value)}}`)),
);

/** All values that the documentation promises to keep, nested in each other. */
export const value: fc.Arbitrary<unknown> = fc.oneof(
  jsonValue,
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withNullPrototype: true,
    withTypedArray: true,
    withBoxedValues: true,
    maxDepth: 4,
    key: text.filter((key) => key !== "__proto__"),
  }),
  fc.constantFrom<unknown>(
    undefined,
    Number.NaN,
    -0,
    Infinity,
    -Infinity,
    0n,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_VALUE,
  ),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(40), fc.nat(40))
    .map(([bytes, from, to]) => bytes.subarray(from, to)),
);
