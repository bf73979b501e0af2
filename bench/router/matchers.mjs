/** The routers that are compared, behind one face. */
import qlobber from 'qlobber'
import { TopicRouter } from '../../dist/index.js'

export const matchers = {
  topicwire: () => {
    const router = new TopicRouter()
    return {
      add: (filter, id) => router.add(filter, id),
      remove: (filter, id) => router.remove(filter, id),
      match: (topic) => router.match(topic),
      matchMany: (topics) => router.matchMany(topics),
    }
  },
  qlobber: () => {
    const router = new qlobber.Qlobber({ separator: '/', wildcard_one: '+', wildcard_some: '#' })
    return {
      add: (filter, id) => router.add(filter, id),
      remove: (filter, id) => router.remove(filter, id),
      match: (topic) => router.match(topic),
      // It has no such call: what its users write.
      matchMany: (topics) => topics.map((topic) => router.match(topic)),
    }
  },
}
