/**
 * The tree of topics. Only the rows in sight are in the document. It is one stop of the Tab key; inside it arrows move,
 * right and left open and close, as in any tree.
 */
import { memo } from 'preact/compat'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { preview } from '../payload.js'
import { useStore } from '../store.js'
import type { TopicNode, TopicTree } from '../topics.js'
import * as words from '../words.js'

const ROW_PX = 28
/** For fingers. */
const LARGE_ROW_PX = 40
const SPARE_ROWS = 8

interface TreeProps {
  readonly tree: TopicTree
  readonly emptyText: string
}

export function Tree({ tree, emptyText }: TreeProps) {
  useStore(tree)
  const box = useRef<HTMLDivElement>(null)
  const [top, setTop] = useState(0)
  const [height, setHeight] = useState(600)
  const [focused, setFocused] = useState<string>()
  const [rowPx] = useState(() => (matchMedia('(pointer: coarse)').matches ? LARGE_ROW_PX : ROW_PX))
  useLayoutEffect(() => {
    const element = box.current
    if (element === null) return
    const observer = new ResizeObserver(() => setHeight(element.clientHeight))
    observer.observe(element)
    return () => observer.disconnect()
  }, [])
  const { rows } = tree
  const isFlat = tree.found !== ''
  const at = focused === undefined ? -1 : rows.findIndex(({ path }) => path === focused)
  useEffect(() => {
    const element = box.current
    if (element === null || at < 0) return
    if (at * rowPx < element.scrollTop) element.scrollTop = at * rowPx
    else if ((at + 1) * rowPx > element.scrollTop + element.clientHeight) {
      element.scrollTop = (at + 1) * rowPx - element.clientHeight
    }
    // Only when the user has moved: rows that come above it do not scroll the list.
  }, [focused])
  const move = (to: number) => {
    const node = rows[Math.max(0, Math.min(rows.length - 1, to))]
    if (node !== undefined) setFocused(node.path)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const node = rows[at]
    const page = Math.max(1, Math.floor(height / rowPx) - 1)
    switch (event.key) {
      case 'ArrowDown':
        move(at + 1)
        break
      case 'ArrowUp':
        move(at - 1)
        break
      case 'PageDown':
        move(at + page)
        break
      case 'PageUp':
        move(at - page)
        break
      case 'Home':
        move(0)
        break
      case 'End':
        move(rows.length - 1)
        break
      case 'ArrowRight':
        if (node === undefined || isFlat || node.children.length === 0) break
        if (node.isOpen) move(at + 1)
        else tree.toggle(node, true)
        break
      case 'ArrowLeft':
        if (node === undefined || isFlat) break
        if (node.isOpen && node.children.length > 0) tree.toggle(node, false)
        else if (node.parent !== undefined) setFocused(node.parent.path)
        break
      case 'Enter':
      case ' ':
        if (node !== undefined) choose(tree, node)
        break
      default:
        return
    }
    event.preventDefault()
  }
  const from = Math.max(0, Math.floor(top / rowPx) - SPARE_ROWS)
  const to = Math.min(rows.length, Math.ceil((top + height) / rowPx) + SPARE_ROWS)
  const isInSight = at >= from && at < to
  return (
    <div
      class="tree"
      ref={box}
      role="tree"
      aria-label="Topics"
      tabIndex={0}
      {...(isInSight && { 'aria-activedescendant': `row-${rows[at]?.id}` })}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      onKeyDown={onKeyDown}
      onFocus={() => at < 0 && move(0)}
    >
      {rows.length === 0 && <p class="empty">{emptyText}</p>}
      <div role="presentation" class="tree-room" style={{ height: `${rows.length * rowPx}px` }}>
        {rows.slice(from, to).map((node, index) => (
          <Row
            key={node.id}
            node={node}
            top={(from + index) * rowPx}
            height={rowPx}
            isFlat={isFlat}
            isOpen={node.isOpen}
            isSelected={tree.selected === node}
            isFocused={node.path === focused}
            isFresh={tree.isFresh(node)}
            messages={node.messages}
            rate={node.rate}
            topics={node.topics}
            onChoose={() => {
              setFocused(node.path)
              choose(tree, node)
            }}
            onToggle={() => {
              setFocused(node.path)
              tree.toggle(node)
            }}
          />
        ))}
      </div>
    </div>
  )
}

function choose(tree: TopicTree, node: TopicNode): void {
  if (node.value === undefined && node.children.length > 0) tree.toggle(node)
  else tree.select(node)
}

interface RowProps {
  readonly node: TopicNode
  readonly top: number
  readonly height: number
  readonly isFlat: boolean
  readonly isOpen: boolean
  readonly isSelected: boolean
  readonly isFocused: boolean
  readonly isFresh: boolean
  /** What changes with each message: the row is drawn again. */
  readonly messages: number
  readonly rate: number
  readonly topics: number
  readonly onChoose: () => void
  readonly onToggle: () => void
}

const Row = memo(
  function Row(props: RowProps) {
    const { node, top, height, isFlat, isOpen, isSelected, isFocused, isFresh } = props
    const isBranch = !isFlat && node.children.length > 0
    const { value } = node
    const classes = ['row', ...(isSelected ? ['selected'] : []), ...(isFocused ? ['focused'] : [])]
    if (isFresh) classes.push('fresh')
    return (
      // biome-ignore lint/a11y/useFocusableInteractive: the tree has the focus and says which row is active
      // biome-ignore lint/a11y/useKeyWithClickEvents: the tree hears the keys
      <div
        class={classes.join(' ')}
        id={`row-${node.id}`}
        role="treeitem"
        aria-level={isFlat ? 1 : node.depth + 1}
        aria-selected={isSelected}
        {...(isBranch && { 'aria-expanded': isOpen })}
        style={{ top: `${top}px`, height: `${height}px`, '--depth': isFlat ? 0 : node.depth }}
        onClick={props.onChoose}
      >
        <span
          class={isBranch ? 'twisty' : 'twisty none'}
          aria-hidden="true"
          onClick={(event) => {
            if (!isBranch) return
            event.stopPropagation()
            props.onToggle()
          }}
        />
        <span class="row-name">{isFlat ? node.path : node.name === '' ? '(empty)' : node.name}</span>
        {isBranch && <span class="row-topics">{words.count(node.topics)}</span>}
        {value !== undefined && <span class="row-value">{preview(value.payload)}</span>}
        {value?.retain === true && (
          <abbr class="row-retained" title="retained">
            R
          </abbr>
        )}
        <span class="row-rate">{words.rate(node.rate)}</span>
      </div>
    )
  },
  (before, after) =>
    before.node === after.node &&
    before.top === after.top &&
    before.isFlat === after.isFlat &&
    before.isOpen === after.isOpen &&
    before.isSelected === after.isSelected &&
    before.isFocused === after.isFocused &&
    before.isFresh === after.isFresh &&
    before.messages === after.messages &&
    before.rate === after.rate &&
    before.topics === after.topics,
)
