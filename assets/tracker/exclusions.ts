// Pages that are left out, or the only ones that are let in: data-exclude and data-include.

// "**" is anything, "*" anything but a slash, all else is itself.
const matches = (list: string, path: string) =>
  list.split(/[\s,]+/).some(
    pattern =>
      pattern &&
      new RegExp(
        `^${pattern.replace(/\*\*?|[.+?^${}()|[\]\\]/g, sign => (sign[1] ? '.*' : sign == '*' ? '[^/]*' : '\\' + sign))}/?$`,
      ).test(path),
  )

/** Reports whether the rules leave the path out. */
export const excluded = (path: string, { include, exclude }: DOMStringMap) =>
  (include && !matches(include, path)) || (exclude && matches(exclude, path))
