import { render } from 'preact'
import { startAlarm } from './alarm.js'
import { App } from './app.js'
import { begin } from './live.js'
import './style.css'

render(<App />, document.getElementById('page') as HTMLElement)
startAlarm()
void begin()
