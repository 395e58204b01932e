// Reviews to pick, written for this page.
export const EXAMPLES = [
  ['Loud', 'Wonderful pasta and a kind waiter, but the music was so loud that we had to shout across the table.'],
  ['Slow', 'We waited an hour for cold soup. Nobody apologised. At least the room is pretty.'],
  [
    'Perfect',
    'Every dish was a small surprise, the staff could not have been warmer, and it was quiet enough to talk.',
  ],
  ['So so', 'Decent burger, nothing special. Service was fine. I might come back if I am in the area.'],
]
