/** Why a relay cannot be used. On its own, as the types of libraries must not reach what programs see. */
export type Refusal = 'token' | 'version' | 'full' | 'proxy' | 'unreachable'
