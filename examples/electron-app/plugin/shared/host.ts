// What the app offers. AssemblyScript imports a declared function from a module with the name of this file: "host".

/** Writes a line to the app's log. */
export declare function log(at: usize, length: i32): void
