// The types of Express 4, which is installed under another name.

declare module "express4" {
  export { default } from "express";
}
