// What the host offers. AssemblyScript imports a declared function from a module with the name of this file: "host".

/** Writes a line to the host's log. */
export declare function log(text: usize, length: i32): void

/** Keeps a value under a key. The host may refuse by throwing; the plugin does not survive that. */
export declare function set(key: usize, keyLength: i32, value: usize, valueLength: i32): void

/** Looks a value up: where the host has put it in this plugin's memory (see `pack`), or 0. */
export declare function get(key: usize, keyLength: i32): u64

/** Asks for a file. No plugin is allowed to have one. */
export declare function readFile(path: usize, length: i32): u64
