// What was thrown: usually an Error, which no type says.

/** Its words, which are for the visitor where we have thrown it. @param {unknown} problem */
export const wordsOf = (problem) => (problem instanceof Error ? problem.message : String(problem));

/** Whether it is an error of a name, as browsers have them. @param {unknown} problem @param {string} name */
export const isNamed = (problem, name) => problem instanceof Error && problem.name === name;
