/** The class of udx-native 1 that is checked at start; the package has no types of its own. */
declare module 'udx-native/lib/stream.js' {
  class UDXStream {
    constructor(udx: unknown, id: number, options?: object)
  }

  export default UDXStream
}
