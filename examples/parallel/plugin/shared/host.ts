// What the host offers. AssemblyScript imports a declared function from a module with the name of this file: "host".

/** Tells the host how much is done, in percent. The guest does not wait for it. */
export declare function progress(percent: i32): void
