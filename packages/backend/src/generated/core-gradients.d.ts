/** Importing this module registers the gradients of every tfjs-core kernel. Written by tools/prepare.mjs. */
export {};
