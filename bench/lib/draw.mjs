/** Charts as SVG files, drawn by Apache ECharts without a browser. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BarChart, LineChart } from 'echarts/charts'
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components'
import * as echarts from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

echarts.use([BarChart, LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])

/** A chart of charts.mjs as the text of an SVG, with a title and a description for those who do not see it. */
export function draw({ option, width, height, title, description }) {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height })
  try {
    chart.setOption(option)
    const svg = chart.renderToSVGString()
    const words = `<title>${escaped(title)}</title><desc>${escaped(description)}</desc>`
    return `${svg.replace(/^<svg ([^>]*)>/, `<svg role="img" $1>\n${words}`)}\n`
  } finally {
    chart.dispose()
  }
}

/** Writes charts by name into a directory. @returns their paths */
export function writeCharts(directory, charts) {
  const entries = Object.entries(charts)
  if (entries.length > 0) mkdirSync(directory, { recursive: true })
  return entries.map(([name, chart]) => {
    const path = join(directory, `${name}.svg`)
    writeFileSync(path, draw(chart))
    return path
  })
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
