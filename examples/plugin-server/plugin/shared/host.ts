// What the host offers. AssemblyScript imports a declared function from a module with the name of this file: "host".
// Functions that copy into memory return how many bytes there are; if that is more than `capacity`, they copied nothing.

/** A part of the request: 0 method, 1 URL, 2 headers, 3 body. */
export declare function request_read(part: i32, at: usize, capacity: i32): i32
/** Sets the status of the response, which is 200 otherwise. */
export declare function response_status(status: i32): void
export declare function response_header(name: usize, nameLength: i32, value: usize, valueLength: i32): void
/** Appends to the body of the response. */
export declare function response_write(at: usize, length: i32): void
/** Logs a line. Levels: 0 debug, 1 info, 2 warn, 3 error. */
export declare function log(level: i32, at: usize, length: i32): void
/** Asks a URL, and returns the status of the answer; -1 if the host refuses, or nobody answers. */
export declare function fetch(at: usize, length: i32): i32
/** The body of the answer that was fetched last. */
export declare function fetch_read(at: usize, capacity: i32): i32
/** What is kept under a key; -1 if there is nothing. */
export declare function kv_get(key: usize, keyLength: i32, at: usize, capacity: i32): i32
/** Keeps a value; returns 0 if there is no room for it. */
export declare function kv_set(key: usize, keyLength: i32, value: usize, valueLength: i32): i32
