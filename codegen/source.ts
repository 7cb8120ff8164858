// The syntax of the declarations: bodies are read from the source text, where names are as the author wrote them.
import { readFileSync } from 'node:fs';
import { Node, Project, type ObjectLiteralExpression } from 'ts-morph';

const project = new Project({ useInMemoryFileSystem: true });

/** Text of a record's property by path (['backward', 'self']), or undefined. */
export type BodySource = (path: readonly string[]) => string | undefined;

export interface Source {
  /** Text of the properties of an exported record; a property that names a function of the file is that function. */
  bodies(name: string): BodySource;
  /** Text of a function declared in the file, which bodies may call. */
  helper(name: string): string | undefined;
}

/** Reads one codegen/ops file. */
export function readSource(file: string): Source {
  const source = project.createSourceFile(`${file}`, readFileSync(file, 'utf8'), { overwrite: true });
  const helper = (name: string): string | undefined => {
    const init = source.getVariableDeclaration(name)?.getInitializer();
    return Node.isArrowFunction(init) ? init.getText() : source.getFunction(name)?.getText();
  };
  const bodies = (name: string): BodySource => {
    const init = source.getVariableDeclarationOrThrow(name).getInitializerOrThrow();
    if (!Node.isCallExpression(init)) throw new Error(`'${name}' must be a call of a declaration function`);
    const record = init.getArguments()[0];
    return (path) => {
      let node: Node | undefined = record;
      for (const key of path) {
        if (!Node.isObjectLiteralExpression(node)) return undefined;
        // A formula of several parameters has them all as its key, in quotes.
        const property: ReturnType<ObjectLiteralExpression['getProperty']> =
          node.getProperty(key) ?? node.getProperty(`'${key}'`);
        node = Node.isPropertyAssignment(property) ? property.getInitializer() : undefined;
      }
      return Node.isIdentifier(node) ? helper(node.getText()) : node?.getText();
    };
  };
  return { bodies, helper };
}
