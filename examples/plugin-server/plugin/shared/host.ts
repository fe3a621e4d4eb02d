// What the host offers. AssemblyScript imports a declared function from a module with the name of this file: "host".

/**
 * Looks up what the host knows about the user of this request. To the plugin it is a function that returns; that the
 * host waits for a database, and answers other requests meanwhile, is not to be seen from here.
 * @returns A packed text; 0 if there is nothing.
 */
export declare function lookup(key: usize, length: i32): u64
