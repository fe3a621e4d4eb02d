// What the host offers. AssemblyScript imports a declared function from a module with the name of this file: "host".

/**
 * Gets a text. The host puts it into memory that it gets from `alloc`.
 * @returns The address in the upper half, the length in bytes in the lower.
 */
export declare function fetch(url: usize, length: i32): u64
