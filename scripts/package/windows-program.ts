/** Resources of the Windows executable: the blob, version and icon, written in one pass, as a second one would damage relocations. */
import { Data, NtExecutable, NtExecutableResource, Resource } from 'resedit'

const RAW_DATA = 10
const ENGLISH = 1033
const UNICODE = 1200
const ICON_GROUP = 1

export interface WindowsParts {
  readonly node: Buffer
  readonly blob: Buffer
  readonly icon: Buffer
  readonly version: string
}

export function windowsProgram({ node, blob, icon, version }: WindowsParts): Buffer {
  // Node's own signature does not hold for what is made of it.
  const exe = NtExecutable.from(node, { ignoreCert: true })
  const resources = NtExecutableResource.from(exe)
  const language = { lang: ENGLISH, codepage: UNICODE }
  const [info] = Resource.VersionInfo.fromEntries(resources.entries)
  if (!info) throw new Error('node.exe has no version resource.')
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number)
  info.setFileVersion(major, minor, patch, 0, ENGLISH)
  info.setProductVersion(major, minor, patch, 0, ENGLISH)
  for (const name of ['CompanyName', 'InternalName']) info.removeStringValue(language, name)
  info.setStringValues(language, {
    ProductName: 'hyper-nat',
    // The task manager and the firewall's question show this one.
    FileDescription: 'hyper-nat',
    LegalCopyright: 'MIT License',
    OriginalFilename: 'hyper-nat.exe'
  })
  info.outputToResourceEntries(resources.entries)
  const { icons } = Data.IconFile.from(icon)
  Resource.IconGroupEntry.replaceIconsForResource(
    resources.entries,
    ICON_GROUP,
    ENGLISH,
    icons.map(({ data }) => data)
  )
  resources.entries.push({
    type: RAW_DATA,
    id: 'NODE_SEA_BLOB',
    lang: ENGLISH,
    codepage: UNICODE,
    bin: new Uint8Array(blob).buffer
  })
  resources.outputResource(exe)
  return Buffer.from(exe.generate())
}
