/** A login checks both secrets of every app, known or not, so a third would show in the time it takes. */
export const SECRETS_MAX = 2

/** Longer than anybody's; what is longer in a login is no app id and need not be kept or logged. */
export const APP_ID_LENGTH_MAX = 128

/** An AES-256 key. */
export const CHANNEL_KEY_BYTES_MAX = 32
/** Each is a request for every event. */
export const WEBHOOKS_MAX = 4
/** A node has eight. */
export const CHANNELS_MAX = 16
export const WORDS_MAX = 50
