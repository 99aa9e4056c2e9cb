// What the shop has.

export const goods = [
  { item: "hat", name: "Hat", icon: "🎩" },
  { item: "coat", name: "Coat", icon: "🧥" },
  { item: "umbrella", name: "Umbrella", icon: "☂️" },
] as const;

export const items = goods.map(({ item }) => item);
