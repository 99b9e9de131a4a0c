/**
 * A setting's value as it may be shown. Masked are whole values of settings whose name says that they are secret, the
 * login of a URL, and every parameter of one; and anything of several lines, which is a key in the wrong place.
 */
export function maskSetting(name: string, value: string): string {
  if (/SECRET|PASSWORD|TOKEN/.test(name) || value.includes('\n')) return MASK
  return value
    .replace(/^([a-z][a-z+.-]*:\/\/)(.*)@([^@]*)$/is, `$1${MASK}@$3`)
    .replace(/([?&][^=&]*=)[^&]*/g, `$1${MASK}`)
}

const MASK = '***'
