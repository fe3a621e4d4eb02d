// Objects here can be closed by `using`; this makes TypeScript know the symbols, whatever `lib` a project has.
/// <reference lib="esnext.disposable" />

export * from './dist/index'
