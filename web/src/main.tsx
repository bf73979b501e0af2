/** The broker's page: what is behind it is model.ts, what is seen views/. */
import { render } from 'preact'
import { Model } from './model.js'
import { Page } from './views/page.js'

const place = document.getElementById('page')
if (place !== null) render(<Page model={new Model()} />, place)
