// What the shop has.

export const goods = [
  { item: "hat", name: "Hat", icon: "🎩" },
  { item: "coat", name: "Coat", icon: "🧥" },
  { item: "umbrella", name: "Umbrella", icon: "☂️" },
];

export function isItem(item: unknown): item is string {
  return goods.some((one) => one.item === item);
}
