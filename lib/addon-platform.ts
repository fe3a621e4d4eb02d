/** The platforms that there is a package for: `napi.targets` of package.json, by the names of their packages. */
export const packagedPlatforms = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
  'win32-arm64-msvc',
] as const

/** What tells one platform from another. */
export interface Host {
  /** `process.platform`. */
  readonly os: string
  /** `process.arch`. */
  readonly arch: string
  /** Linux with glibc: its version. */
  readonly glibc: string | undefined
}

/** The platform that this process runs on. Asks for a report, which takes milliseconds: not for hot paths. */
export function currentHost(): Host {
  const { platform: os, arch } = process
  if (os !== 'linux') return { os, arch, glibc: undefined }
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined
  return { os, arch, glibc: report?.header?.glibcVersionRuntime }
}

/** The name of a platform, as in `node-wasmtime-linux-x64-gnu`; also of those that there is no package for. */
export function platformName({ os, arch, glibc }: Host): string {
  if (os === 'linux') return `linux-${arch}-${glibc === undefined ? 'musl' : 'gnu'}`
  return os === 'win32' ? `win32-${arch}-msvc` : `${os}-${arch}`
}
