// Loaded into every test process after the TypeScript hook; ava.mjs says why.
const { NODE_WASMTIME_TEST_ADDON: path } = process.env
if (path) process.env.NAPI_RS_NATIVE_LIBRARY_PATH = path
