/** In a file of its own: whoever reads the settings needs them, and a command needs no log (broker/cli). */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const
