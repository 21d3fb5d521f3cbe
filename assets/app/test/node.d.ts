// The little of node's own modules that the tests use; all of node's types would be visible to the dashboard's code too.

declare module "node:test" {
  export function test(name: string, run: () => void | Promise<void>): void;
}

declare module "node:assert/strict" {
  const assert: {
    equal(got: unknown, want: unknown, message?: string): void;
    deepEqual(got: unknown, want: unknown, message?: string): void;
    match(got: string, pattern: RegExp, message?: string): void;
    ok(got: unknown, message?: string): asserts got;
  };
  export default assert;
}
