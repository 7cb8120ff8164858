// The syntax of the declarations: bodies are read from the source text, where names are as the author wrote them.
import { readFileSync } from 'node:fs';
import { Node, Project, type ObjectLiteralExpression } from 'ts-morph';

const project = new Project({ useInMemoryFileSystem: true });

/** Text of a record's property by path (['backward', 'self']), or undefined. */
export type BodySource = (path: readonly string[]) => string | undefined;

/** Reads one codegen/ops file; the result gives, per exported name, the text of its record's properties. */
export function readBodies(file: string): (name: string) => BodySource {
  const source = project.createSourceFile(`${file}`, readFileSync(file, 'utf8'), { overwrite: true });
  return (name) => {
    const init = source.getVariableDeclarationOrThrow(name).getInitializerOrThrow();
    if (!Node.isCallExpression(init)) throw new Error(`'${name}' must be a call of a declaration function`);
    const record = init.getArguments()[0];
    return (path) => {
      let node: Node | undefined = record;
      for (const key of path) {
        if (!Node.isObjectLiteralExpression(node)) return undefined;
        const property: ReturnType<ObjectLiteralExpression['getProperty']> = node.getProperty(key);
        node = Node.isPropertyAssignment(property) ? property.getInitializer() : undefined;
      }
      return node?.getText();
    };
  };
}
