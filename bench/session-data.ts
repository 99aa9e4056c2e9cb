// The data of the benchmark's sessions.
/** Every contender's session holds ten keys of JSON's types, about 1 KB as JSON. */
export interface Fields {
  user: string;
  views: number;
  theme: string;
  locale: string;
  csrf: string;
  signedInAt: string;
  roles: string[];
  address: { street: string; city: string; zip: string; country: string };
  cart: { sku: string; title: string; price: number; quantity: number }[];
  note: string;
  /** Keys that the lost-update test writes. */
  [slot: `slot${number}`]: number;
}

export const USER = "ada.lovelace@example.com";

/** New objects for every session, since some stores keep the objects that they get. */
export function tenKeys(): Fields {
  return {
    user: USER,
    views: 0,
    theme: "dark",
    locale: "en-GB",
    csrf: "pY2mVq0dB3nXw8sTz5uLk1jHc7gRe4fA",
    signedInAt: "2025-01-31T09:26:53.589Z",
    roles: ["customer", "reviewer", "beta"],
    address: { street: "12 St James's Square", city: "London", zip: "SW1Y 4JH", country: "GB" },
    cart: [
      { sku: "BK-0042", title: "Sketch of the Analytical Engine", price: 18.5, quantity: 1 },
      { sku: "PN-0007", title: "Fountain pen, medium nib", price: 42, quantity: 2 },
      { sku: "CD-1837", title: "Punched cards, box of 500", price: 9.95, quantity: 4 },
    ],
    note:
      "Leave the parcel with the porter if nobody answers the door; he knows. The bell of the left entrance has been " +
      "broken since spring, so please knock, and knock loudly: the workshop is at the back of the house, the engine is " +
      "running most of the day, and it is not a quiet engine. Invoices go to the office in Dorset, not to this address.",
  };
}

/** Cookies of other software, which a browser sends before and after the session's. */
export const OTHER_COOKIES = ["_ga=GA1.1.1180325.1706693213", "consent=necessary.statistics"];

/** Replaces the session's cookie where there is no session, so that the bare server parses headers of the same length. */
export const NO_SESSION_COOKIE = `none=${"x".repeat(76)}`;
